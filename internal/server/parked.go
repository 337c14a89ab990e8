package server

import (
	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
)

// parked is what a connection does when it is known that its node led when its last transaction was executed, which has only
// read. Meanwhile nobody serves it. It goes on where it was, in a batch.
type parked struct {
	calls   []command.Call // of the transaction; their replies are at hand
	pending *godwit.Pending
	before  command.Session // the transaction
	err     error           // with which the batch has ended
	more    bool            // has come of the next
}

// resume goes on after the connection was parked, and tells whether it goes on after the batch.
func (c *conn) resume() bool {
	p := c.parked
	c.parked = nil
	if p.pending.Released() {
		c.executed(p.calls, p.pending)
		clear(c.calls)
		c.calls = c.calls[:0]
	} else { // what was only read can be read again, perhaps elsewhere
		c.out.Reset()
		c.undo(p.before)
		c.turn.pass()
		c.executeAll(p.calls)
	}
	c.executedBatch()
	return c.goesOn(p.err)
}
