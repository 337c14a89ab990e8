package plot

import (
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Rate is how fast a cluster was at a moment.
type Rate struct {
	At       time.Duration // from the fault on, below 0 before it
	Executed float64       // per second
	Released float64
}

// Failover draws a cluster's throughput around the loss of its leader, with the moment of
// the first release by the next one, and writes it like Timeline.
func Failover(title string, rates []Rate, first time.Duration, base string) error {
	p := newPlot(title, "transactions per second")
	p.Y.Min = 0
	p.X.Label.Text = "milliseconds after the leader's end"
	top := 1.0
	for _, l := range []struct {
		name  string
		color rgb
		value func(Rate) float64
	}{
		{"executed", blue, func(r Rate) float64 { return r.Executed }},
		{"released", orange, func(r Rate) float64 { return r.Released }},
	} {
		var points plotter.XYs
		for _, r := range rates {
			points = append(points, plotter.XY{X: millis(r.At), Y: l.value(r)})
			top = max(top, l.value(r))
		}
		if len(points) == 0 {
			continue
		}
		curve, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		curve.Color, curve.Width, curve.StepStyle = l.color, vg.Points(1.5), plotter.PostStep
		p.Add(curve)
		p.Legend.Add(l.name, curve)
	}
	for _, m := range []struct {
		name string
		at   time.Duration
	}{{"leader lost", 0}, {"first release", first}} {
		if err := mark(p, m.name, millis(m.at), top); err != nil {
			return err
		}
	}
	p.Y.Max = top * headroom
	return save(base, p)
}

// mark draws a dashed line at a moment.
func mark(p *plot.Plot, name string, at, top float64) error {
	line, err := plotter.NewLine(plotter.XYs{{X: at, Y: 0}, {X: at, Y: top}})
	if err != nil {
		return err
	}
	line.Color, line.Dashes = grey, []vg.Length{vg.Points(4), vg.Points(3)}
	if at > 0 {
		line.Color = green
	}
	p.Add(line)
	p.Legend.Add(name, line)
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
