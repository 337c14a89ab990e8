package command

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/keyspace"
)

// Error is a reply that says what is wrong, with its code first.
type Error string

func (e Error) Error() string { return string(e) }

// Replies of many commands, in Redis's words.
const (
	ErrSyntax     Error = "ERR syntax error"
	ErrNotInt     Error = "ERR value is not an integer or out of range"
	ErrNotFloat   Error = "ERR value is not a valid float"
	ErrOutOfRange Error = "ERR index out of range"
	ErrNoKey      Error = "ERR no such key"
)

// ErrReplyTooLarge ends a transaction whose replies have more than ReplyBytesMax.
var ErrReplyTooLarge = fmt.Errorf("the replies of a transaction have more than %d MiB", ReplyBytesMax>>20)

// Errorf makes a reply that says what is wrong.
func Errorf(format string, args ...any) Error { return Error(fmt.Sprintf(format, args...)) }

// wrongArgs is the reply to a call with too few or too many arguments.
func wrongArgs(name string) Error {
	return Errorf("ERR wrong number of arguments for '%s' command", name)
}

// Reply returns the reply that an error is, "" if it is none: then it ends the transaction.
func Reply(err error) string {
	var e Error
	switch {
	case errors.As(err, &e):
		return string(e)
	case errors.Is(err, keyspace.ErrWrongType), errors.Is(err, keyspace.ErrTooLarge), errors.Is(err, keyspace.ErrTooLong), errors.Is(err, keyspace.ErrMemberTooLong),
		errors.Is(err, keyspace.ErrTooManyFlushes):
		return err.Error()
	}
	return ""
}
