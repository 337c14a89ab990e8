package wal

// Ballot is what a replica has promised: to accept nothing of an epoch before Epoch,
// and in that nobody but Vote.
type Ballot struct {
	Epoch Epoch
	Vote  uint32
}
