package server

import (
	"slices"
	"sync"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// outboxBytesMax bounds the replies that wait for their release or for a client that does not read. Then no
	// more requests of the client are read.
	outboxBytesMax = 8 << 20
	// pushBytesMax bounds what waits with messages of channels, which come whether the client reads or not. Beyond
	// it the connection is closed.
	pushBytesMax = 32 << 20
	// writeBytes is how much is written at once.
	writeBytes = 64 << 10
	// gatherBytesMax bounds the replies of a connection that are written together with those of others.
	gatherBytesMax = 16 << 10
)

// item are replies, or messages of a channel, that go out together.
type item struct {
	data []byte
	size int // of data and seen as they were pushed
	// pending is what has to be released first; nil for nothing.
	pending *godwit.Pending
	began   time.Time // when the requests had been read; zero if that says nothing
	// replies is how many commands data answers: each gets an error instead if pending fails.
	replies int
	// messages are published when pending is released.
	messages []command.Message
	seen     []byte // by monitors then
	expired  uint64 // keys that it has removed since they have expired
}

func (i *item) released() bool { return i.pending == nil || i.pending.Released() }

// plain tells whether the item is nothing but replies to its own client.
func (i *item) plain() bool { return len(i.messages) == 0 && len(i.seen) == 0 }

// outbox sends a connection's replies in order, each when it may be sent.
type outbox struct {
	conn *conn
	more chan struct{} // has something when there is something to do for run
	done chan struct{} // closed when run has ended
	room sync.Cond     // fewer bytes, or the end

	mu sync.Mutex
	// gathered are replies that may be sent, and are when letOut is called. They come before the items; to have some of
	// these, whose sender would come first, they become one of them.
	gathered []byte
	items    []item
	bytes    int
	sending  int  // bytes that send has and the items have not
	writing  bool // somebody writes to the connection, outside of the lock
	queued   bool // a turn comes to the items (letOut), or the releaser
	ended    bool // no items come any more
	failed   bool // nothing can be sent any more
}

func (o *outbox) init(c *conn) {
	o.conn, o.more, o.done = c, make(chan struct{}, 1), make(chan struct{})
	o.room.L = &o.mu
}

func (o *outbox) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// makeRoom waits until more may be put.
func (o *outbox) makeRoom() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waitForRoom()
}

func (o *outbox) waitForRoom() {
	if o.bytes > outboxBytesMax && !o.failed {
		o.mu.Unlock()
		o.conn.turn.pass() // which sends what was gathered
		o.mu.Lock()
	}
	for o.bytes > outboxBytesMax && !o.failed {
		o.room.Wait()
	}
}

// send sends an item with the replies of out, which it takes, at once if nothing is in the way. It waits for room.
func (o *outbox) send(i item, out *resp.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sending = out.Len()
	defer func() { o.sending = 0 }()
	o.waitForRoom()
	if len(o.items) > 0 || o.writing || !i.plain() || !i.released() || o.failed {
		i.data = out.Take()
		o.push(i)
		return
	}
	o.count(&i)
	if len(o.gathered)+out.Len() <= gatherBytesMax && o.conn.turn.gather(o.conn) {
		o.gathered = append(o.gathered, out.Bytes()...)
		return
	}
	if len(o.gathered) > 0 {
		o.gathered = append(o.gathered, out.Bytes()...)
		o.writeGathered()
		return
	}
	if n := o.writeOut(out.Bytes()); n < out.Len() {
		o.keep(out.Take()[n:])
	}
}

// letOut sends what was gathered, or what has been released since, for which it uses buf. It tells whether something is left to the
// releaser.
func (o *outbox) letOut(buf []byte) (_ []byte, left bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.gathered) > 0 { // or else somebody else has sent them
		o.writeGathered()
	}
	if !o.queued {
		return buf, false
	}
	left = true
	if len(o.items) > 0 && o.items[0].released() {
		buf, left = o.sendReleased(buf)
	}
	if left {
		o.conn.server.releaser.add(o)
	}
	return buf, left
}

// writeGathered writes what was gathered. The lock is held, but not meanwhile; nobody else writes.
func (o *outbox) writeGathered() {
	data := o.gathered
	o.gathered = nil
	if n := o.writeOut(data); n < len(data) {
		o.keep(slices.Clone(data[n:]))
	}
	if o.gathered == nil {
		o.gathered = data[:0]
	}
}

// writeOut writes what can be written without waiting, and returns how much is done with. The lock is held, but not
// meanwhile; nobody else writes.
func (o *outbox) writeOut(data []byte) int {
	o.writing = true
	o.mu.Unlock()
	n, ok := o.write(data, (*peekable).writeNow)
	o.mu.Lock()
	o.writing = false
	o.failed = o.failed || !ok
	if len(o.items) > 0 && !o.queued || o.ended {
		o.wake()
	}
	if !ok {
		return len(data)
	}
	return n
}

// keep has run write what a client does not read yet. The lock is held.
func (o *outbox) keep(rest []byte) {
	o.items = slices.Insert(o.items, 0, item{data: rest, size: len(rest)})
	o.bytes += len(rest)
	o.wake()
}

// put is send without waiting: whoever calls holds a lock.
func (o *outbox) put(i item, out *resp.Writer) {
	i.data = out.Take()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.push(i)
}

// size returns how many items wait, and how many bytes they have.
func (o *outbox) size() (items, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items), o.bytes + o.sending + len(o.gathered)
}

// empty tells whether nothing waits to be sent.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items) == 0 && len(o.gathered) == 0 && !o.writing
}

// push adds an item. The lock is held.
func (o *outbox) push(i item) {
	if len(o.gathered) > 0 { // they come first
		o.keep(o.gathered)
		o.gathered = nil
	}
	i.size = len(i.data) + len(i.seen)
	o.items = append(o.items, i)
	o.bytes += i.size
	switch {
	case o.queued: // the turn or the releaser comes to it
	case len(o.items) == 1 && i.pending != nil && i.plain() && o.conn.writesNow():
		o.queued = true
		if !o.conn.turn.gather(o.conn) {
			o.conn.server.releaser.add(o)
		}
	default:
		o.wake()
	}
}

// first returns what the first item waits for, nil if that is nothing.
func (o *outbox) first() *godwit.Pending {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.items) == 0 {
		return nil
	}
	return o.items[0].pending
}

// leave has run do what the releaser was to do.
func (o *outbox) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queued = false
	o.wake()
}

// sendReleased sends the first items that are released and plain, for which it uses buf, without waiting for the client. It tells
// whether the releaser is to come again; if not, run does what is left. The lock is held, but not while it writes.
func (o *outbox) sendReleased(buf []byte) (_ []byte, again bool) {
	buf = buf[:0]
	n, bytes := 0, 0
	for !o.writing && n < len(o.items) && bytes <= writeBytes && o.items[n].plain() && o.items[n].released() {
		o.count(&o.items[n])
		buf = append(buf, o.items[n].data...)
		bytes += o.items[n].size
		n++
	}
	if n > 0 {
		clear(o.items[:n])
		if o.items = o.items[n:]; len(o.items) == 0 {
			o.items = nil
		}
		written := o.writeOut(buf)
		o.bytes -= bytes
		o.room.Broadcast()
		if written < len(buf) {
			o.keep(slices.Clone(buf[written:]))
			n = 0 // the client does not read
		}
	}
	o.queued = n > 0 && len(o.items) > 0 && o.items[0].plain() && !o.ended && !o.failed
	if !o.queued && len(o.items) > 0 {
		o.wake()
	}
	return buf, o.queued
}

// publish sends a message of a channel, and gives up a client that does not read them.
func (o *outbox) publish(data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed || o.ended {
		return
	}
	if o.bytes+len(data) > pushBytesMax {
		o.failed = true
		o.conn.server.log.Warn("a client does not read its messages: its connection is closed", "client", o.conn.id)
		o.conn.close()
		return
	}
	o.push(item{data: data})
}

// finish says that no more items come, and closes the connection when they are sent.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.gathered) > 0 {
		o.keep(o.gathered)
		o.gathered = nil
	}
	o.ended = true
	o.wake()
}

// run sends what could not be sent at once. Nobody is told what a transaction has changed before it is released, and
// its own client last.
func (o *outbox) run() {
	defer close(o.done)
	defer o.conn.close()
	var buf []byte
	var batch []item
	for range o.more {
		for {
			first, ended := o.next()
			if ended {
				return
			}
			if first == nil {
				break
			}
			o.settle(first)
			batch = o.take(batch[:0])
			taken := 0
			batch[0] = *first
			data := first.data // one that is large goes out as it is
			if len(batch) > 1 {
				buf = buf[:0]
				for i := range batch {
					buf = append(buf, batch[i].data...)
				}
				data = buf
			}
			for i := range batch {
				taken += batch[i].size
				o.count(&batch[i])
				o.conn.server.monitors.show(batch[i].seen)
				for _, m := range batch[i].messages {
					o.conn.server.publish(m)
				}
			}
			clear(batch)
			_, ok := o.write(data, (*peekable).Write)
			o.sent(taken, ok)
			if cap(buf) > 4*writeBytes {
				buf = nil
			}
		}
	}
}

// next returns a copy of the first item, and begins to write: nobody else does until sent is called. It is nil if there
// is none, or somebody else writes, who wakes run again.
func (o *outbox) next() (first *item, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing {
		return nil, false
	}
	if len(o.items) == 0 {
		return nil, o.ended
	}
	o.writing = true
	i := o.items[0]
	return &i, false
}

// take removes the first item and those behind it that can be sent with it.
func (o *outbox) take(batch []item) []item {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, bytes := 1, o.items[0].size
	for n < len(o.items) && bytes+o.items[n].size <= writeBytes && o.items[n].released() {
		bytes += o.items[n].size
		n++
	}
	batch = append(batch, o.items[:n]...)
	clear(o.items[:n])
	if o.items = o.items[n:]; len(o.items) == 0 {
		o.items = nil
	}
	return batch
}

// sent says that items were written, or could not be.
func (o *outbox) sent(bytes int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= bytes
	o.writing = false
	o.failed = o.failed || !ok
	o.room.Broadcast()
}

// settle waits for the release of an item, and if it fails makes the replies as many errors. Messages are to be sent
// even if the client has gone.
func (o *outbox) settle(i *item) {
	if i.pending == nil {
		return
	}
	ctx := o.conn.ctx
	if len(i.messages) > 0 || len(i.seen) > 0 {
		ctx = o.conn.server.ctx
	}
	err := o.conn.server.hope.Load().wait(ctx, i.pending)
	if err == nil {
		return
	}
	o.lose(i)
	// It may have happened all the same: what may be stale counts as that.
	i.messages = slices.DeleteFunc(i.messages, func(m command.Message) bool { return m.Stale == nil })
	i.seen, i.data = nil, nil
	text := o.conn.reply(err)
	for range i.replies {
		i.data = append(append(append(i.data, '-'), text...), "\r\n"...)
	}
	i.replies, i.expired = 0, 0 // none that is released
}

// count counts an item that is released.
func (o *outbox) count(i *item) {
	if i.pending != nil {
		o.conn.server.counters.released(o.conn.id, i.replies, i.began)
		o.conn.server.stats.expired.Add(i.expired)
	}
}

// lose counts an item whose release nobody hears of, or that is not released.
func (o *outbox) lose(i *item) {
	if i.pending != nil {
		o.conn.server.counters.lost(o.conn.id, i.replies)
	}
}

// write writes data with one of the connection's methods. If it is not ok nothing can be sent any more.
func (o *outbox) write(data []byte, write func(*peekable, []byte) (int, error)) (n int, ok bool) {
	if len(data) == 0 || o.conn.ctx.Err() != nil {
		return len(data), true // nothing to say, or nobody to hear it
	}
	n, err := write(o.conn.net, data)
	if err != nil {
		o.conn.close()
	}
	return n, err == nil
}
