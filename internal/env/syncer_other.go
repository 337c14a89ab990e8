//go:build !linux || !(amd64 || arm64)

package env

import "errors"

// NewSyncer implements SyncerFS: there is none.
func (o *osFS) NewSyncer(func()) (Syncer, error) { return nil, errors.ErrUnsupported }
