package bench

import "time"

const (
	// A session that is ahead of its rate looks for releases as often as paceLookMax.
	paceLookMin = 20 * time.Microsecond
	paceLookMax = 100 * time.Microsecond
	// paceDebtMax is how far behind its rate a session may be to make up for it.
	paceDebtMax = 5 * time.Millisecond
)

// pace holds a session to a rate. The zero pace holds nothing.
type pace struct {
	every time.Duration // between two transactions
	next  time.Duration // when the next one may begin
}

func newPace(perSecond float64, sessions int) pace {
	if perSecond <= 0 {
		return pace{}
	}
	return pace{every: time.Duration(float64(sessions) / perSecond * float64(time.Second))}
}

// wait returns how long the next transaction has to wait. If that is nothing, it begins.
func (p *pace) wait(now time.Duration) time.Duration {
	if p.every == 0 {
		return 0
	}
	if p.next > now {
		return min(max(p.next-now, paceLookMin), paceLookMax)
	}
	p.next = max(p.next, now-paceDebtMax) + p.every
	return 0
}
