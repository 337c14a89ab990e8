//go:build !linux

package e2e

import "errors"

// fill and churn are roles of tests for linux only.
func fill(config, *reporter) error { return errors.ErrUnsupported }

func churn(config, *reporter) error { return errors.ErrUnsupported }
