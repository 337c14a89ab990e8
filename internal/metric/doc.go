// Package metric measures what servers do at so little cost that they always do it: how long things take, and which
// keys are asked for most. It knows nothing of the database.
package metric
