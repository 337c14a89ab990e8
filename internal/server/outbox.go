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

// outbox sends a connection's replies in order, each when it may be sent.
type outbox struct {
	conn *conn
	more chan struct{} // has something when there is something to do for run
	done chan struct{} // closed when run has ended
	room sync.Cond     // fewer bytes, or the end

	mu      sync.Mutex
	items   []item
	bytes   int
	sending int  // bytes that send has and the items have not
	writing bool // somebody writes to the connection, outside of the lock
	ended   bool // no items come any more
	failed  bool // nothing can be sent any more
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
		o.conn.turn.pass()
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
	if len(o.items) == 0 && !o.writing && len(i.messages) == 0 && len(i.seen) == 0 && i.released() && !o.failed {
		o.count(&i)
		o.writing = true
		o.mu.Unlock()
		n, ok := o.write(out.Bytes(), (*peekable).writeNow)
		o.mu.Lock()
		o.writing = false
		o.failed = o.failed || !ok
		if n < out.Len() && ok { // the client does not read
			rest := out.Take()[n:]
			o.items = slices.Insert(o.items, 0, item{data: rest, size: len(rest)})
			o.bytes += len(rest)
		}
		if len(o.items) > 0 || o.ended {
			o.wake()
		}
		return
	}
	i.data = out.Take()
	o.push(i)
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
	return len(o.items), o.bytes + o.sending
}

// empty tells whether nothing waits to be sent.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items) == 0 && !o.writing
}

// push adds an item. The lock is held.
func (o *outbox) push(i item) {
	i.size = len(i.data) + len(i.seen)
	o.items = append(o.items, i)
	o.bytes += i.size
	o.wake()
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
