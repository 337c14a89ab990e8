//go:build race

package model

// sizes are smaller here: it is one goroutine.
var sizes = []Size{{Epochs: 2, Txns: 1, Beats: 0}}
