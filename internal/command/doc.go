// Package command has the commands of Redis that work on data, each as a function that runs in
// a transaction (Call). The server decides when a command runs, together with which others, and when its
// reply may be sent.
//
// A command replies to Call.Out, and may be run again with the reply so far taken back: it has no
// effects but through its Call. An error of type Error is the reply; a command that returns one has changed
// nothing. All other errors end the transaction, with whatever else is in it.
package command
