package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// historyKept is how many commands are kept to tell what was before a fault, historyShown how many are told.
	historyKept  = 2000
	historyShown = 12
)

// session is a client of each server, to which all that one does the other does too.
type session struct {
	proto         int
	redis, godwit *client
	queued        [][]string // since MULTI
	watched       []string
	multi         bool
}

// runner compares two servers.
type runner struct {
	options
	generator
	out      io.Writer
	sessions []*session
	watcher  *session // compares all data
	history  [][]string
	sent     int
	faults   int
	known    map[string]int // how often each known difference was met
}

// run sends commands until there were enough, or time or the run's patience is over.
func (r *runner) run(ctx context.Context, redis, godwit string) error {
	r.known = map[string]int{}
	for _, proto := range []int{2, 3, 2} {
		s, err := r.connect(ctx, proto, redis, godwit)
		if err != nil {
			return err
		}
		defer s.close()
		r.sessions = append(r.sessions, s)
	}
	r.watcher, r.sessions = r.sessions[2], r.sessions[:2]
	if err := r.empty(); err != nil {
		return err
	}
	end := time.Now().Add(r.limit)
	for ; r.sent < r.commands && r.faults < r.faultsMax && ctx.Err() == nil && (r.limit == 0 || time.Now().Before(end)); r.sent++ {
		if err := r.step(pick(r.Rand, r.sessions)); err != nil {
			return fmt.Errorf("command %d: %w", r.sent, err)
		}
		if r.sent%r.checkEvery == 0 {
			if err := r.check(); err != nil {
				return err
			}
		}
	}
	return errors.Join(r.check(), ctx.Err())
}

func (r *runner) connect(ctx context.Context, proto int, redis, godwit string) (*session, error) {
	a, err := dial(ctx, redis)
	if err != nil {
		return nil, err
	}
	b, err := dial(ctx, godwit)
	if err != nil {
		_ = a.conn.Close()
		return nil, err
	}
	s := &session{proto: proto, redis: a, godwit: b}
	if _, _, err := s.do("HELLO", fmt.Sprint(proto)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	_ = s.redis.conn.Close()
	_ = s.godwit.conn.Close()
}

func (s *session) do(args ...string) (redis, godwit resp.Value, err error) {
	if redis, err = s.redis.do(args...); err != nil {
		return redis, godwit, fmt.Errorf("of Redis: %q: %w", args, err)
	}
	if godwit, err = s.godwit.do(args...); err != nil {
		return redis, godwit, fmt.Errorf("of Godwit: %q: %w", args, err)
	}
	return redis, godwit, nil
}

// step has a client send a command, or something around one.
func (r *runner) step(s *session) error {
	switch n := r.IntN(100); {
	case n < 1:
		return r.restore(s)
	case n < 3:
		return r.send(s, append([]string{"COMMAND", "GETKEYS"}, r.command()...))
	case n < 6 && s.multi:
		return r.send(s, []string{"EXEC"})
	case n < 7:
		key := r.argument("<key>")
		return r.send(s, []string{pick(r.Rand, []string{"EVAL", "EVAL_RO"}), pick(r.Rand, scripts()), "1", key, r.argument("<member>"), r.argument("<value>")})
	case n < 10:
		if args := r.command(); args[0] != "SPOP" {
			call := pick(r.Rand, []string{"return redis.call(unpack(ARGV))", "return redis.pcall(unpack(ARGV))", "redis.setresp(3); return redis.call(unpack(ARGV))"})
			return r.send(s, append([]string{"EVAL", call, "0"}, args...))
		}
	}
	args := r.command()
	send := r.send
	if r.IntN(10) == 0 && !s.multi {
		send = r.sendWatched
	}
	if err := send(s, args); err != nil || args[0] != "SPOP" || len(args) < 2 {
		return err
	}
	return r.send(s, []string{"DEL", args[1]}) // they have popped different members
}

// send sends a command and compares the replies.
func (r *runner) send(s *session, args []string) error {
	if len(r.history) == historyKept {
		r.history = slices.Delete(r.history, 0, historyKept/2)
	}
	r.history = append(r.history, append([]string{fmt.Sprint(s.proto)}, args...))
	redis, godwit, err := s.do(args...)
	if err != nil {
		return err
	}
	switch {
	case string(redis.Bytes) == "QUEUED" && string(godwit.Bytes) == "QUEUED":
		s.queued = append(s.queued, args)
		return nil
	case args[0] == "EXEC" && len(redis.Elems) == len(s.queued) && len(godwit.Elems) == len(s.queued):
		for i, queued := range s.queued {
			if err := r.compare(queued, redis.Elems[i], godwit.Elems[i]); err != nil {
				return err
			}
		}
	default:
		if err := r.compare(args, redis, godwit, s.watched...); err != nil {
			return err
		}
	}
	switch args[0] {
	case "MULTI":
		s.multi = s.multi || !redis.IsError()
	case "WATCH":
		s.watched = append(s.watched, args[1:]...)
	case "UNWATCH":
		s.watched = nil
	case "EXEC", "DISCARD":
		if args[0] == "EXEC" && len(args) > 1 || s.multi && len(args) == 1 {
			s.multi, s.queued, s.watched = false, nil, nil
		}
	}
	return nil
}

// sendWatched is send, and compares whether it counts as a change of its keys.
func (r *runner) sendWatched(s *session, args []string) error {
	const keyBytesMax = 100
	if len(args) < 2 || slices.ContainsFunc(args, func(arg string) bool { return len(arg) > keyBytesMax }) {
		return r.send(s, args)
	}
	faults := r.faults
	if _, _, err := r.watcher.do(append([]string{"WATCH"}, args[1:]...)...); err != nil {
		return err
	}
	if err := r.send(s, args); err != nil || r.faults > faults {
		return err
	}
	if _, _, err := r.watcher.do("MULTI"); err != nil {
		return err
	}
	redis, godwit, err := r.watcher.do("EXEC")
	if err != nil || redis.Kind == godwit.Kind {
		return err
	}
	if redis.IsNull() {
		r.known["as it was"]++
		return nil
	}
	return r.fault(fmt.Sprintf("%s, with its keys watched\n  Redis:  %s\n  Godwit: %s", quote(args), show(redis), show(godwit)), args[1:])
}

// compare compares two replies to a command, which is about other keys too.
func (r *runner) compare(args []string, redis, godwit resp.Value, about ...string) error {
	args = meant(args)
	if same(args, redis, godwit) {
		return nil
	}
	redis, godwit = ordered(args, redis), ordered(args, godwit)
	for _, d := range differences() {
		if d.holds(args, redis, godwit) {
			r.known[d.name]++
			if d.apart {
				return r.empty()
			}
			return nil
		}
	}
	return r.fault(fmt.Sprintf("%s\n  Redis:  %s\n  Godwit: %s", quote(args), show(redis), show(godwit)), append(about, args[1:]...))
}

// meant returns the command that a script calls, or the command itself.
func meant(args []string) []string {
	if args[0] == "EVAL" && len(args) > 3 && strings.Contains(args[1], "unpack(ARGV)") {
		return args[3:]
	}
	return args
}

// restore dumps a value from one of the servers and restores it in both.
func (r *runner) restore(s *session) error {
	if s.multi {
		return nil
	}
	key := r.argument("<key>")
	redis, godwit, err := s.do("DUMP", key)
	if err != nil {
		return err
	}
	if redis.Kind != godwit.Kind {
		return r.fault(fmt.Sprintf("DUMP %s\n  Redis:  %s\n  Godwit: %s", key, show(redis), show(godwit)), []string{key})
	}
	if redis.IsNull() {
		return nil
	}
	dump := pick(r.Rand, []resp.Value{redis, godwit})
	to := r.argument("<key>")
	return r.send(s, []string{"RESTORE", to, "0", string(dump.Bytes), "REPLACE"})
}

// fault reports a difference, with what was done to these keys before, and begins anew with empty servers.
func (r *runner) fault(what string, keys []string) error {
	r.faults++
	if _, err := fmt.Fprintf(r.out, "\nfault %d, at command %d of seed %d: %s\n", r.faults, r.sent, r.seed, what); err != nil {
		return err
	}
	var before []string
	for i := len(r.history) - 2; i >= 0 && len(before) < historyShown; i-- {
		if h := r.history[i]; slices.ContainsFunc(h[1:], func(arg string) bool { return len(arg) > 1 && slices.Contains(keys, arg) }) || h[1] == "MULTI" || h[1] == "EXEC" {
			before = append(before, "  before: RESP"+h[0]+" "+quote(h[1:]))
		}
	}
	slices.Reverse(before)
	if _, err := fmt.Fprintln(r.out, strings.Join(before, "\n")); err != nil {
		return err
	}
	return r.empty()
}

// empty ends all transactions and removes all data.
func (r *runner) empty() error {
	for _, s := range r.sessions {
		for _, command := range [][]string{{"DISCARD"}, {"UNWATCH"}, {"SELECT", "0"}} {
			if _, _, err := s.do(command...); err != nil {
				return err
			}
		}
		s.multi, s.queued = false, nil
	}
	r.history = r.history[:0]
	_, _, err := r.watcher.do("FLUSHALL")
	return err
}

// quote prints a command.
func quote(args []string) string {
	var quoted []string
	for _, arg := range args {
		q := fmt.Sprintf("%q", arg)
		if q == `"`+arg+`"` && arg != "" && !strings.Contains(arg, " ") {
			q = arg
		}
		quoted = append(quoted, shorten(q))
	}
	return strings.Join(quoted, " ")
}

// shorten leaves out the middle of what is long.
func shorten(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s...%s (%d)", s[:most/2], s[len(s)-most/2:], len(s))
}

// show prints replies, with their kinds.
func show(values ...resp.Value) string {
	var all []string
	for _, v := range values {
		text := string(v.Kind)
		switch v.Kind {
		case resp.KindInt, resp.KindBool:
			text += fmt.Sprint(v.Int)
		case resp.KindDouble:
			text += fmt.Sprint(v.Float)
		case resp.KindBulk:
			text = shorten(fmt.Sprintf("%q", v.Bytes))
		case resp.KindVerbatim:
			text += v.Format + ":" + fmt.Sprintf("%q", v.Bytes)
		case resp.KindArray, resp.KindMap, resp.KindSet, resp.KindPush:
			text += shorten("[" + show(v.Elems...) + "]")
		default:
			text += string(v.Bytes)
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}
