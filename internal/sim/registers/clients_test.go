package registers

import (
	"context"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// A write that nobody has answered yet may have been carried out, and been read.
func TestWritesUnderWayCount(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewClients(w)
	var value Response
	unanswered := 0
	c.Add(4, 1, time.Millisecond, func() Ask {
		return func(ctx context.Context, _ *quorum.Endpoint, r *Request) (*Response, bool, error) {
			if !r.Write {
				return &value, false, nil
			}
			value = Response{Done: true, Found: true, Value: r.Value}
			unanswered++
			return nil, false, quorum.Sleep(ctx, time.Hour)
		}
	})
	value.Done = true
	if err := w.Run(OpTimeout / 2); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil || unanswered == 0 || c.Succeeded() == 0 {
		t.Errorf("%d writes without an answer, %d requests with one, %v", unanswered, c.Succeeded(), err)
	}
}
