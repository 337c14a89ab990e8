package server

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/script"
)

// unit is what one node asks another to carry out for a client: requests that came together, or those
// between MULTI and EXEC. It is sent as one request:
//
//	GODWIT RUN proto db user client number kind watches (db key version)... calls (tracked arguments argument...)...
//
// and answered with the replies of the calls (one, if they are a transaction) and then an array: the database that is
// selected afterwards, and the timestamp of the last transaction. A unit is one transaction, but for one with a call that
// waits, which is alone. What changes something is remembered as the request number of client, which is 0 for what does not.
// Replies that all begin with notLeader or notTogether say that nothing of the unit has happened.
type unit struct {
	session command.Session
	request godwit.Request
	kind    unitKind
	watches []watch
	calls   []command.Call

	trouble time.Time // since when it waits, but for the time in which a leader had it
	sent    bool      // it may have happened
}

type unitKind byte

const (
	unitCalls unitKind = 'c' // one after the other
	unitMulti unitKind = 'm' // what was queued for EXEC
	unitWatch unitKind = 'w' // versions of keys: the watches have none yet; the reply is an array of them
)

// unitLimits are those of what another node sends. A unit may have all that a client may queue and watch, with numbers
// around it.
var unitLimits = resp.Limits{
	ArgsMax:         multiBytesMax/argBytes + 3*watchesMax,
	RequestBytesMax: multiBytesMax + watchBytesMax + 64*watchesMax,
}

// unitReplyLimits are those of what another node answers: a reply is bounded there, and EXEC nests it once more.
var unitReplyLimits = resp.ReplyLimits{
	BulkBytesMax: command.ReplyBytesMax,
	DepthMax:     script.ReplyDepthMax + 3, // and what is in the last table, and what ends it there
}

// errRepliesTooLarge says that a unit was carried out, and its replies are beyond unitReplyLimits.
const errRepliesTooLarge command.Error = uncertainCode + " it was carried out, once, but a reply has more elements than can be passed on: connect to the node that leads"

// Codes of replies to another node.
const (
	notLeader     = "NOTLEADER"   // this one does not lead, and nothing has happened
	notTogether   = "NOTTOGETHER" // what was asked for cannot be one transaction, and nothing has happened
	uncertainCode = "UNCERTAIN"   // it may have happened
)

// errTogether says that calls cannot be executed as one transaction.
var errTogether = errors.New("the calls cannot be one transaction")

// together returns how many of calls can be a unit: those before one that may wait, which is one alone.
func together(calls []command.Call) int {
	for i := range calls {
		if calls[i].Flags&command.Blocking != 0 {
			return max(i, 1)
		}
	}
	return len(calls)
}

// writes tells whether a unit may change something.
func (u *unit) writes() bool {
	return slices.ContainsFunc(u.calls, func(c command.Call) bool { return c.Flags&(command.ReadOnly|command.NoData) == 0 })
}

// remembered tells whether the leader remembers a unit. It does not if reads of it are tracked: a client that kept what was
// read before would not hear of changes since.
func (u *unit) remembered() bool {
	return u.writes() && !slices.ContainsFunc(u.calls, func(c command.Call) bool { return c.Tracked })
}

// again tells whether a unit can be sent again that may have happened.
func (u *unit) again() (bool, error) {
	u.sent = true
	return u.remembered() || !u.writes(), errUncertain
}

// unanswered says what is known of a unit that nobody has answered.
func (u *unit) unanswered() error {
	if u.sent && u.writes() {
		return errUncertain
	}
	return godwit.ErrUnavailable
}

// replies returns how many replies a unit has.
func (u *unit) replies() int {
	if u.kind == unitCalls {
		return len(u.calls)
	}
	return 1
}

// mayWait tells whether the replies may come at any time.
func (u *unit) mayWait() bool {
	return slices.ContainsFunc(u.calls, func(c command.Call) bool { return c.Flags&command.Blocking != 0 })
}

// message returns the unit as a request.
func (u *unit) message() []byte {
	number := func(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
	large := func(n uint64) []byte { return strconv.AppendUint(nil, n, 10) }
	args := [][]byte{
		[]byte("GODWIT"), []byte("RUN"), number(u.session.Proto), number(u.session.DB), []byte(u.session.User),
		large(u.request.Client), large(u.request.Number), {byte(u.kind)}, number(len(u.watches)),
	}
	for _, w := range u.watches {
		args = append(args, number(w.db), w.key, large(w.version))
	}
	args = append(args, number(len(u.calls)))
	for i := range u.calls {
		tracked := 0
		if u.calls[i].Tracked {
			tracked = 1
		}
		args = append(append(args, number(tracked), number(len(u.calls[i].Args))), u.calls[i].Args...)
	}
	return resp.AppendCommand(nil, args...)
}

// parseUnit reads the arguments of a request, those behind GODWIT RUN. The calls refer to them.
func parseUnit(table *command.Table, args [][]byte) (*unit, error) {
	p := unitParser{args: args}
	u := &unit{}
	u.session.Proto, u.session.DB = p.number(3), p.number(1<<31-1)
	u.session.User = string(p.next())
	u.request = godwit.Request{Client: p.large(), Number: p.large()}
	if kind := p.next(); len(kind) == 1 {
		u.kind = unitKind(kind[0])
	}
	for range p.number(len(args)) {
		w := watch{db: p.number(1<<31 - 1), key: p.next()}
		w.version = p.large()
		u.watches = append(u.watches, w)
	}
	for range p.number(len(args)) {
		tracked := p.number(1) == 1
		n := p.number(len(p.args))
		if p.failed || n == 0 {
			p.failed = true
			break
		}
		call := p.args[:n]
		p.args = p.args[n:]
		cmd, err := table.Resolve(call)
		if err != nil {
			return nil, err
		}
		if cmd.Run == nil {
			p.failed = true
			break
		}
		u.calls = append(u.calls, command.Call{Command: cmd, Args: call, MayWait: u.kind == unitCalls, Tracked: tracked})
	}
	if p.failed || len(p.args) > 0 || u.session.Proto < 2 || (u.kind != unitCalls && u.kind != unitMulti && u.kind != unitWatch) {
		return nil, errMalformed
	}
	return u, nil
}

// unitParser takes arguments one after the other.
type unitParser struct {
	args   [][]byte
	failed bool
}

func (p *unitParser) next() []byte {
	if len(p.args) == 0 {
		p.failed = true
		return nil
	}
	arg := p.args[0]
	p.args = p.args[1:]
	return arg
}

// large returns any number; 0 if it is none.
func (p *unitParser) large() uint64 {
	n, err := strconv.ParseUint(string(p.next()), 10, 64)
	p.failed = p.failed || err != nil
	return n
}

// number returns a number from 0 to most; 0 if it is none.
func (p *unitParser) number(most int) int {
	n, ok := resp.ParseInt(p.next())
	if p.failed = p.failed || !ok || n < 0 || n > int64(most); p.failed {
		return 0
	}
	return int(n)
}

func (p *unitParser) timestamp() godwit.Timestamp {
	n, err := strconv.ParseUint(string(p.next()), 10, 64)
	p.failed = p.failed || err != nil
	return godwit.Timestamp(n)
}
