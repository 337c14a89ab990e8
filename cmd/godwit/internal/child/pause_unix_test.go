//go:build unix

package child

import (
	"testing"
	"time"
)

func TestPaused(t *testing.T) {
	p, reports, _ := start(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := p.Order("more"); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-reports:
		t.Errorf("it reports %q while it is stopped", r)
	case <-time.After(20 * time.Millisecond):
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := <-reports; got != "more" {
		t.Errorf("reported was %q", got)
	}
	p.Kill()
	_ = p.Wait() // which says only that it was killed
}
