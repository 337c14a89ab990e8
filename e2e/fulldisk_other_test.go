//go:build !linux

package e2e

import "errors"

// fill is a role of a test for linux only.
func fill(config, *reporter) error { return errors.ErrUnsupported }
