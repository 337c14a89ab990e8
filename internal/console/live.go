package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// pulseEvery is how often pages get the counts that move fast.
	pulseEvery = 100 * time.Millisecond
	// writeTimeout is how long a page may take to read an event.
	writeTimeout = 10 * time.Second
)

// pulse is what moves fast.
type pulse struct {
	At       int64  `json:"t"`
	Executed uint64 `json:"executed"`
	Released uint64 `json:"released"`
	InFlight uint64 `json:"inFlight"`
}

// live sends what there is as event "history", and then what comes: "sample" every second and "pulse" in between.
func (c *Console) live(w http.ResponseWriter, r *http.Request, _ *session) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(name string, v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data); err != nil {
			return err
		}
		return out.Flush()
	}
	first, samples, stop := c.sampler.watch()
	defer stop()
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	err := send("history", first)
	for err == nil {
		select {
		case s := <-samples:
			err = send("sample", s)
		case now := <-tick.C:
			p := pulse{At: now.UnixMilli()}
			p.Executed, p.Released, p.InFlight = c.source.Pulse()
			err = send("pulse", p)
		case <-r.Context().Done():
			return
		case <-c.ctx.Done():
			return
		}
	}
	c.log.Debug("a console has gone", "error", err)
}
