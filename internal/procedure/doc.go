// Package procedure has clients run transactions on a shard's replicas: registered
// procedures, called by name over the network.
//
//	Session.Update ──► whoever leads: shard.ExecuteOnce ──► released ──► answer
//	Client.View    ──► whoever leads: still the leader? execute, released ──► answer
//	Client.Snapshot ─► any replica: a snapshot at or above a timestamp ──► answer
//
// A Client is a node of the replicas' network that only calls. It waits at every replica
// for the news that this one leads in a later epoch than the one that it knows of. So it
// hears of a new leader at once, and while it hears nothing from the old one, which may
// be stopped or cut off: then it asks the new one for what it is still waiting for.
//
// # What a client knows
//
// An Update is named by its Session and a number, by which it is carried out once however
// often it is sent (shard.ExecuteOnce). Session.Update sends it again until it is answered
// or its context ends. Without an answer the error says which of two is true: it matches
// ErrOutcomeUnknown if the transaction may have been carried out or may yet be, and
// otherwise nothing has happened and nothing will. A View or Snapshot has no outcome.
//
// # Bounds (I11)
//
// What waits is bounded for each connection by the endpoints (quorum.Options), of a client
// with each replica by itself: a replica that has stopped takes no room from the others.
// Of all requests that are on their way in a replica, ServerOptions.RunningMax execute or
// wait for their release; more are told to come again. The caller's deadline goes along.
package procedure
