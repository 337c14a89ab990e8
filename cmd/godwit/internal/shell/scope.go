package shell

import (
	"context"
	"errors"
	"fmt"
)

// scopesMax bounds how many transactions and snapshots may be open. Each
// transaction keeps one of the database's workers.
const scopesMax = 8

// scope is what commands run in between begin or snapshot and its end.
type scope interface {
	// run executes f in the scope.
	run(ctx context.Context, f func(Tx) error) error
	// writable tells whether f may write.
	writable() bool
	// kind says what the scope is, in words.
	kind() string
	// abandon ends the scope and applies nothing.
	abandon()
}

// errAbandoned makes the database roll a transaction back.
var errAbandoned = errors.New("rolled back")

// transaction is a transaction whose steps come one by one. It serves one
// goroutine.
type transaction struct {
	readOnly bool
	// steps carries what to do next into the transaction's goroutine, results
	// what came of it back.
	steps   chan step
	results chan error
	// ended is closed when the database has returned from the transaction, err
	// is what it returned.
	ended chan struct{}
	err   error
}

// step is one thing to do in a transaction.
type step struct {
	do     func(Tx) error // nil ends the transaction
	commit bool           // how to end it
}

// begin starts a transaction. life ends with the shell, ctx with the command.
func begin(life, ctx context.Context, store Store, readOnly bool) (*transaction, error) {
	t := &transaction{
		readOnly: readOnly,
		steps:    make(chan step),
		results:  make(chan error),
		ended:    make(chan struct{}),
	}
	life, cancel := context.WithCancel(life)
	entered := make(chan struct{})
	calls := 0
	body := func(tx Tx) error {
		calls++
		if calls > 1 {
			return ErrConflict
		}
		close(entered)
		for {
			s := <-t.steps
			switch {
			case s.do != nil:
				t.results <- s.do(tx)
			case s.commit:
				return nil
			default:
				return errAbandoned
			}
		}
	}
	go func() {
		defer close(t.ended)
		defer cancel()
		if readOnly {
			t.err = store.View(life, body)
		} else {
			t.err = store.Update(life, body)
		}
	}()
	select {
	case <-entered:
		return t, nil
	case <-t.ended:
		return nil, t.err
	case <-ctx.Done():
		cancel()
	}
	// It may enter just now instead of giving up.
	select {
	case <-entered:
		t.abandon()
	case <-t.ended:
	}
	return nil, ctx.Err()
}

func (t *transaction) run(_ context.Context, f func(Tx) error) error {
	select {
	case t.steps <- step{do: f}:
		return <-t.results
	case <-t.ended:
		return t.err
	}
}

// end ends the transaction and returns what the database says to that.
func (t *transaction) end(commit bool) error {
	select {
	case t.steps <- step{commit: commit}:
	case <-t.ended:
	}
	<-t.ended
	return t.err
}

func (t *transaction) abandon()       { _ = t.end(false) }
func (t *transaction) writable() bool { return !t.readOnly }

func (t *transaction) kind() string {
	if t.readOnly {
		return "read-only transaction"
	}
	return "transaction"
}

// view is an open snapshot.
type view struct{ snapshot Snapshot }

func (v view) run(ctx context.Context, f func(Tx) error) error { return v.snapshot.View(ctx, f) }
func (v view) writable() bool                                  { return false }
func (v view) kind() string                                    { return "snapshot" }
func (v view) abandon()                                        { v.snapshot.Close() }

// open adds a scope under a name and makes it the current one.
func (s *Shell) open(name string, sc scope) {
	s.scopes[name] = sc
	s.current = name
}

// nameFor returns the name that a new scope gets: the one asked for, or prefix
// and the first number that is free.
func (s *Shell) nameFor(args []Word, prefix string) (string, error) {
	if len(s.scopes) >= scopesMax {
		return "", fmt.Errorf("%d transactions and snapshots are open, which is the most: end one first", scopesMax)
	}
	if len(args) > 0 {
		name := args[0].Text
		if s.scopes[name] != nil {
			return "", fmt.Errorf("%s is open already", name)
		}
		return name, nil
	}
	for i := 1; ; i++ {
		if name := fmt.Sprintf("%s%d", prefix, i); s.scopes[name] == nil {
			return name, nil
		}
	}
}

// finish ends the current scope, by commit or not.
func (s *Shell) finish(commit bool) error {
	sc := s.scopes[s.current]
	if sc == nil {
		return errors.New("no transaction is open here; begin starts one")
	}
	delete(s.scopes, s.current)
	s.current = ""
	t, ok := sc.(*transaction)
	if !ok {
		sc.abandon()
		return nil
	}
	err := t.end(commit)
	// A transaction that is rolled back may be in conflict too.
	if !commit && (errors.Is(err, errAbandoned) || errors.Is(err, ErrConflict)) {
		return nil
	}
	return err
}

// read runs f where the current commands run: in the open scope or else in a
// read-only transaction of its own.
func (s *Shell) read(ctx context.Context, f func(Tx) error) error {
	if sc := s.scopes[s.current]; sc != nil {
		return sc.run(ctx, f)
	}
	return s.store.View(ctx, f)
}

// readOnce is read for what prints while it reads, which must not run twice.
func (s *Shell) readOnce(ctx context.Context, f func(Tx) error) error {
	if sc := s.scopes[s.current]; sc != nil {
		return sc.run(ctx, f)
	}
	snapshot, err := s.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	return snapshot.View(ctx, f)
}

// write runs f in the open scope or else in a transaction of its own.
func (s *Shell) write(ctx context.Context, f func(Tx) error) error {
	sc := s.scopes[s.current]
	if sc == nil {
		return s.store.Update(ctx, f)
	}
	if !sc.writable() {
		return fmt.Errorf("%s is a %s: nothing can be written in it", s.current, sc.kind())
	}
	return sc.run(ctx, f)
}
