package benchcluster

import (
	"time"

	"github.com/godwitdb/godwit/bench/plot"
)

const (
	// A timeline is cut into moments of timelineStep, from timelineBefore a fault to
	// timelineAfter it.
	timelineStep   = 10 * time.Millisecond
	timelineBefore = 500 * time.Millisecond
	timelineAfter  = time.Second
	timelineLen    = int((timelineBefore + timelineAfter) / timelineStep)
)

// Moment is what all members have done in a timelineStep.
type Moment struct {
	Executed float64 `json:"executed"`
	Released float64 `json:"released"`
}

// addTimeline adds what a process has done to a timeline, which is made if it is nil.
// What was done between two samples is spread over the time between them.
func addTimeline(all []Moment, samples []Sample, fault int64) []Moment {
	if all == nil {
		all = make([]Moment, timelineLen)
	}
	begin := fault - int64(timelineBefore)
	for i := 1; i < len(samples); i++ {
		a, b := samples[i-1], samples[i]
		long := float64(b.At - a.At)
		if b.Executed < a.Executed || b.Released < a.Released || long <= 0 {
			continue
		}
		for n := max(0, (a.At-begin)/int64(timelineStep)); n <= (b.At-begin)/int64(timelineStep) && n < int64(timelineLen); n++ {
			from, to := begin+n*int64(timelineStep), begin+(n+1)*int64(timelineStep)
			share := float64(min(to, b.At)-max(from, a.At)) / long
			if share > 0 {
				all[n].Executed += share * float64(b.Executed-a.Executed)
				all[n].Released += share * float64(b.Released-a.Released)
			}
		}
	}
	return all
}

// releases tells whether the member has released something lately.
func (o *one) releases() bool {
	n := len(o.samples)
	return n > 1 && o.samples[n-1].Released > o.samples[n-2].Released
}

// samplesKept is how many samples outlive an outage.
const samplesKept = int(2 * timelineBefore / sampleEvery)

// forget drops the member's older samples.
func (o *one) forget() {
	if over := len(o.samples) - samplesKept; over > 0 {
		o.samples = append(o.samples[:0], o.samples[over:]...)
	}
}

// Rates returns the timeline as rates.
func (o *Outage) Rates() []plot.Rate {
	var all []plot.Rate
	for i, m := range o.Timeline {
		all = append(all, plot.Rate{
			At:       time.Duration(i)*timelineStep - timelineBefore,
			Executed: m.Executed / timelineStep.Seconds(), Released: m.Released / timelineStep.Seconds(),
		})
	}
	return all
}
