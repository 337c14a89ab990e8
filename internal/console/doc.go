// Package console is the web page of a node: what it does, live; its keys; and a place to try transactions.
//
// It knows the node as a Source only: figures, and a client's connection inside the process. So whoever looks at keys
// through it is a client like any other, with the rights of the user that logged in, and what the page shows is what
// clients get.
//
//	sampler   takes the node's figures once a second, and keeps those of the last minutes
//	live      sends them to pages, as server-sent events
//	sessions  knows who has logged in
//	keys, run carry out commands for a session
//
// # Invariants
//
//   - Nothing but the files of the page is answered without a session, and there is none without a login, but on a server that
//     asks nobody for a password: then the console answers on loopback only, to names of loopback.
//   - The page loads nothing from elsewhere: its policy (guard) forbids it.
//   - No other site can act through a user's browser: requests that come from one are refused.
package console
