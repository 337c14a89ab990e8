package plot

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/godwitdb/godwit/bench"
)

const (
	chartWidth  = 22 * vg.Centimeter
	panelHeight = 8 * vg.Centimeter
	margin      = 4 * vg.Millimeter
	// headroom is how much higher than its content a panel is, for the legend,
	// and logHeadroom the same where the axis is logarithmic.
	headroom    = 1.5
	logHeadroom = 30
	// barWidthMax and barsWidth, in points: bars get thinner when all of them
	// would not fit into the latter.
	barWidthMax = vg.Length(28)
	barsWidth   = vg.Length(480)
)

// rgb is a color as 0xrrggbb.
type rgb uint32

// Colors that colour-blind readers can tell apart (Okabe and Ito).
const (
	blue   rgb = 0x0072b2
	orange rgb = 0xe69f00
	green  rgb = 0x009e73
	red    rgb = 0xd55e00
	grey   rgb = 0x999999
)

// RGBA implements color.Color.
func (c rgb) RGBA() (r, g, b, a uint32) {
	return color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 0xff}.RGBA()
}

// Timeline draws a run over time, throughput above latency, and writes it to
// base.svg and base.png; an ending of those two in base is ignored.
func Timeline(r *bench.Result, base string) error {
	throughput, err := throughputOverTime(r)
	if err != nil {
		return err
	}
	latency, err := latencyOverTime(r)
	if err != nil {
		return err
	}
	return save(base, throughput, latency)
}

// Compare draws several results beside each other, throughput above latency, and
// writes them like Timeline. There is one name for each result.
func Compare(results []*bench.Result, names []string, base string) error {
	if len(results) == 0 || len(names) != len(results) {
		return errors.New("plot: no results, or not a name for each")
	}
	throughput, err := throughputBars(results, names)
	if err != nil {
		return err
	}
	latency, err := latencyBars(results, names)
	if err != nil {
		return err
	}
	return save(base, throughput, latency)
}

// line is one curve of a chart over time.
type line struct {
	name  string
	color color.Color
	value func(bench.Interval) float64
}

func throughputOverTime(r *bench.Result) (*plot.Plot, error) {
	p := newPlot(fmt.Sprintf("%s on %s, %d sessions", r.Workload, r.Engine, r.Sessions), "transactions per second")
	p.Y.Min = 0
	p.X.Label.Text = "seconds"
	return p, addLines(p, r.Intervals, []line{
		{"executed", blue, func(i bench.Interval) float64 { return float64(i.Executed) / i.Seconds }},
		{"released", orange, func(i bench.Interval) float64 { return float64(i.Released) / i.Seconds }},
		{"aborts", red, func(i bench.Interval) float64 { return float64(i.Aborts) / i.Seconds }},
	})
}

func latencyOverTime(r *bench.Result) (*plot.Plot, error) {
	p := newPlot("", "latency, microseconds")
	p.X.Label.Text = "seconds"
	logarithmic(p)
	return p, addLines(p, r.Intervals, []line{
		{"executed p50", blue, func(i bench.Interval) float64 { return micros(i.ExecutedLatency.P50) }},
		{"executed p99", green, func(i bench.Interval) float64 { return micros(i.ExecutedLatency.P99) }},
		{"released p50", orange, func(i bench.Interval) float64 { return micros(i.ReleasedLatency.P50) }},
		{"released p99", red, func(i bench.Interval) float64 { return micros(i.ReleasedLatency.P99) }},
	})
}

// addLines draws the curves, and a dashed line where the warm-up ends.
func addLines(p *plot.Plot, intervals []bench.Interval, lines []line) error {
	top := 0.0
	for _, l := range lines {
		var points plotter.XYs
		for _, i := range intervals {
			v := l.value(i)
			if p.Y.Scale != (plot.LinearScale{}) && v <= 0 {
				continue // nothing to show on a logarithmic axis
			}
			top = math.Max(top, v)
			points = append(points, plotter.XY{X: i.EndSeconds, Y: v})
		}
		if len(points) == 0 {
			continue
		}
		curve, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		curve.Color, curve.Width = l.color, vg.Points(1.5)
		p.Add(curve)
		p.Legend.Add(l.name, curve)
	}
	if n := len(intervals); n > 0 {
		p.X.Min, p.X.Max = 0, intervals[n-1].EndSeconds
	}
	if err := addWarmup(p, intervals, top); err != nil {
		return err
	}
	if p.Y.Scale == (plot.LinearScale{}) {
		p.Y.Max = max(1, p.Y.Max*headroom)
	} else {
		p.Y.Max *= logHeadroom
	}
	return nil
}

func addWarmup(p *plot.Plot, intervals []bench.Interval, top float64) error {
	end := 0.0
	for _, i := range intervals {
		if !i.Measured {
			end = i.EndSeconds
		}
	}
	if end == 0 || top == 0 {
		return nil
	}
	mark, err := plotter.NewLine(plotter.XYs{{X: end, Y: p.Y.Min}, {X: end, Y: top}})
	if err != nil {
		return err
	}
	mark.Color, mark.Dashes = grey, []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(mark)
	p.Legend.Add("end of warm-up", mark)
	return nil
}

// series is one colour of bars.
type series struct {
	name  string
	color color.Color
	value func(*bench.Result) float64
}

func throughputBars(results []*bench.Result, names []string) (*plot.Plot, error) {
	p := newPlot("", "transactions per second")
	p.Y.Min = 0
	return p, addBars(p, results, names, []series{
		{"executed", blue, func(r *bench.Result) float64 { return r.ExecutedPerSecond }},
		{"released", orange, func(r *bench.Result) float64 { return r.ReleasedPerSecond }},
	})
}

func latencyBars(results []*bench.Result, names []string) (*plot.Plot, error) {
	p := newPlot("", "released latency, microseconds")
	p.Y.Min = 0
	return p, addBars(p, results, names, []series{
		{"p50", blue, func(r *bench.Result) float64 { return micros(r.ReleasedLatency.P50) }},
		{"p99", green, func(r *bench.Result) float64 { return micros(r.ReleasedLatency.P99) }},
		{"p99.9", red, func(r *bench.Result) float64 { return micros(r.ReleasedLatency.P999) }},
	})
}

func addBars(p *plot.Plot, results []*bench.Result, names []string, all []series) error {
	width := min(barWidthMax, barsWidth/vg.Length(len(all)*len(results)))
	for n, s := range all {
		values := make(plotter.Values, len(results))
		tops := plotter.XYLabels{XYs: make(plotter.XYs, len(results)), Labels: make([]string, len(results))}
		for i, r := range results {
			values[i] = s.value(r)
			tops.XYs[i] = plotter.XY{X: float64(i), Y: values[i]}
			tops.Labels[i] = short(values[i])
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			return err
		}
		labels, err := plotter.NewLabels(tops)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = s.color, 0
		bars.Offset = width * vg.Length(float64(n)-float64(len(all)-1)/2)
		labels.Offset = vg.Point{X: bars.Offset, Y: 2}
		for i := range labels.TextStyle {
			labels.TextStyle[i].XAlign = text.XCenter
			labels.TextStyle[i].Font.Size = 8
		}
		p.Add(bars, labels)
		p.Legend.Add(s.name, bars)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.5, float64(len(results))-0.5
	p.Y.Max *= headroom
	return nil
}

// short renders v in few characters: 1.23M, 45.6k, 789.
func short(v float64) string {
	switch {
	case v >= 999_500:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 999.5:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}

func newPlot(title, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, y
	p.Legend.Top = true
	p.Y.Tick.Marker = plot.TickerFunc(plainTicks)
	p.Add(plotter.NewGrid())
	return p
}

// plainTicks are the usual ticks with their labels written out: 60000, not 6e4.
func plainTicks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = fmt.Sprintf("%.12g", ticks[i].Value)
		}
	}
	return ticks
}

// logarithmic gives the vertical axis powers of ten. The curves only widen it.
func logarithmic(p *plot.Plot) {
	p.Y.Min, p.Y.Max = 1, 10
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// canvas is a drawing that can be written to a file.
type canvas interface {
	vg.CanvasSizer
	io.WriterTo
}

// Files are the names of what Timeline and Compare write for a base.
func Files(base string) (png, svg string) {
	if ext := filepath.Ext(base); ext == ".svg" || ext == ".png" {
		base = strings.TrimSuffix(base, ext)
	}
	return base + ".png", base + ".svg"
}

// save writes the panels, one above the other, in both formats.
func save(base string, panels ...*plot.Plot) error {
	png, svg := Files(base)
	height := panelHeight * vg.Length(len(panels))
	image := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(chartWidth, height), vgimg.UseDPI(144))}
	if err := write(png, image, panels); err != nil {
		return err
	}
	return write(svg, vgsvg.New(chartWidth, height), panels)
}

func write(name string, c canvas, panels []*plot.Plot) error {
	rows := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		rows[i] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: margin, PadBottom: margin, PadLeft: margin, PadRight: margin, PadY: margin}
	for i, canvases := range plot.Align(rows, tiles, draw.New(c)) {
		panels[i].Draw(canvases[0])
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = c.WriteTo(f)
	return errors.Join(err, f.Close())
}
