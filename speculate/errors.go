package speculate

import "errors"

var (
	// ErrDoomed: what it rests on is gone for good. What was registered with Undo
	// has been put back; start again from the state that there is.
	ErrDoomed = errors.New("speculate: what this rests on is gone for good")
	// ErrFull: a course has UndosMax undos already. Nothing was registered; wait
	// until the frontier has moved, or put back what was done.
	ErrFull = errors.New("speculate: too much is uncertain, wait for the frontier")
	// ErrFinal: the course has ended at another point, or more than the final point
	// is certain already (Invariant I6). Nothing was changed; whoever said so is
	// wrong and must not be believed.
	ErrFinal = errors.New("speculate: the final point contradicts what is certain")
)
