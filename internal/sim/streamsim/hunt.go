package streamsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/sim"
)

// Hunt is Faults with more of what takes a leader away while its rounds are on their
// way: short epochs, slow links, small pieces.
func Hunt(w *sim.World) error {
	mix := w.DrawFaults()
	mix.Every = time.Duration(50+w.Draw("every").IntN(250)) * time.Millisecond
	mix.Aim = 0.7
	mix.Isolate, mix.PowerLoss = mix.Isolate+1, mix.PowerLoss+0.5
	mix.Brief = time.Duration(100+w.Draw("brief").IntN(900)) * time.Millisecond
	mix.Link.DelayMean = time.Duration(1+w.Draw("delay").IntN(15)) * time.Millisecond
	_, err := faults(w, mix, nil)
	return err
}
