package plot

import (
	"errors"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Ratio is how many times another system's throughput one has, in several rounds.
type Ratio struct {
	Name              string
	Median, Low, High float64
	Bar               float64 // what it has to be; 0 for nothing
}

// Ratios draws ratios with their ranges and bars on a logarithmic axis, and writes them like Timeline.
func Ratios(title string, ratios []Ratio, base string) error {
	if len(ratios) == 0 {
		return errors.New("plot: no ratios")
	}
	p := newPlot(title, "ratio")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ratioTicks())
	var points, bars plotter.XYs
	var ranges plotter.YErrors
	var names []string
	low, high := 1.0, 1.0
	for i, r := range ratios {
		if r.Low <= 0 {
			return errors.New("plot: a ratio that is not positive")
		}
		names = append(names, r.Name)
		points = append(points, plotter.XY{X: float64(i), Y: r.Median})
		ranges = append(ranges, struct{ Low, High float64 }{r.Median - r.Low, r.High - r.Median})
		low, high = min(low, r.Low), max(high, r.High, r.Bar)
		if r.Bar > 0 {
			bars = append(bars, plotter.XY{X: float64(i), Y: r.Bar})
		}
	}
	if err := addMarks(p, "bar", bars, red, draw.PlusGlyph{}); err != nil {
		return err
	}
	spread, err := plotter.NewYErrorBars(struct {
		plotter.XYs
		plotter.YErrors
	}{points, ranges})
	if err != nil {
		return err
	}
	spread.Color = blue
	p.Add(spread)
	if err := addMarks(p, "median and range of the rounds", points, blue, draw.CircleGlyph{}); err != nil {
		return err
	}
	p.NominalX(names...)
	p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = math.Pi/6, draw.XRight, draw.YCenter
	p.X.Min, p.X.Max = -0.5, float64(len(ratios))-0.5
	p.Y.Min, p.Y.Max = low/headroom, high*2*headroom
	return save(base, p)
}

func addMarks(p *plot.Plot, name string, points plotter.XYs, color rgb, shape draw.GlyphDrawer) error {
	if len(points) == 0 {
		return nil
	}
	marks, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	marks.Color, marks.Shape, marks.Radius = color, shape, vg.Points(4)
	p.Add(marks)
	p.Legend.Add(name, marks)
	return nil
}

// ratioTicks are labels of a logarithmic axis around 1.
func ratioTicks() []plot.Tick {
	var ticks []plot.Tick
	for _, v := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100} {
		ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
	}
	return ticks
}
