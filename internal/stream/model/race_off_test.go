//go:build !race

package model

var sizes = []Size{{Epochs: 3, Txns: 1, Beats: 0}, {Epochs: 2, Txns: 2, Beats: 1}}
