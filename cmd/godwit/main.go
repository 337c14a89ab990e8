// Command godwit works on Godwit databases: a shell, checks, backups and
// benchmarks.
//
// Exit codes: 0 if all went well, 1 if something failed or a check found
// problems, 2 if the command line is wrong or the data cannot be opened.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
