package benchcluster

import (
	"os"
	"runtime/pprof"
)

// profile is a processor profile of the time in which the workload is to run.
type profile struct {
	name string // "" is none
	file *os.File
}

// start starts it, unless it runs.
func (p *profile) start() (err error) {
	if p.name == "" || p.file != nil {
		return nil
	}
	if p.file, err = os.Create(p.name); err != nil {
		return err
	}
	return pprof.StartCPUProfile(p.file)
}

// stop ends it, if it runs.
func (p *profile) stop() error {
	if p.file == nil {
		return nil
	}
	pprof.StopCPUProfile()
	err := p.file.Close()
	p.name, p.file = "", nil
	return err
}
