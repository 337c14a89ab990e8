// Package e2e tests databases and replicas in real processes that are really killed, on real
// disks that are really full, and meet folders and nodes that they must refuse. It has tests
// only.
//
// A test starts its own binary again as the process under test (child), which
// says on its standard output what it begins and what was acknowledged to it.
// What it said before it was killed is still in the pipe. The next child opens
// the same folder, is told what has to be there, and looks.
//
// `go test ./e2e` runs the short form of each test; -soak makes the killing go on
// for longer.
package e2e
