// Package once carries out a client's requests once, however often they come: the network may
// double them, and a client that has not heard the outcome sends them again, after a crash or to
// another replica.
//
// Each client's last request and its answer are remembered in a table, by the transaction that
// carries it out: so either both are there afterwards or none is. Of more clients than a bound those
// are forgotten that have been silent for longest; Forget does that.
package once
