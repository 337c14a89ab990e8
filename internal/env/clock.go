package env

import "time"

// RealClock returns the machine's clock.
func RealClock() Clock { return realClock{} }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) NewTimer(d time.Duration) Timer { return realTimer{time.NewTimer(d)} }

// realTimer relies on what timers do since Go 1.23: no value of an earlier
// setting is received after Reset or Stop.
type realTimer struct{ *time.Timer }

func (t realTimer) C() <-chan time.Time   { return t.Timer.C }
func (t realTimer) Reset(d time.Duration) { t.Timer.Reset(d) }
func (t realTimer) Stop()                 { t.Timer.Stop() }
