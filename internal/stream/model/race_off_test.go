//go:build !race

package model

// longer are the mistakes that take many states to find.
var longer = []Mistake{SmallQuorum, AcceptOldEpoch, OwnTail, LongestTail, HighestFinal, KeptAboveFinal}

var sizes = []Size{{Epochs: 3, Txns: 1, Beats: 0}, {Epochs: 2, Txns: 2, Beats: 1}}
