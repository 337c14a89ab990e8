package copilotsim

import (
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum/copilot"
)

func TestHealthy(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, copilot.Options{})
	c.Start()
	c.AddClients(4, 8, 0)
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	s, _ := c.status(1)
	t.Logf("%d requests, %d epochs, %+v", c.Succeeded(), len(c.pilots), s)
	if c.Succeeded() < 1_000 || len(c.pilots) != 1 {
		t.Errorf("%d requests, %d epochs", c.Succeeded(), len(c.pilots))
	}
}
