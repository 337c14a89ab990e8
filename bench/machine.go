package bench

import (
	"runtime"
	"runtime/debug"
)

// Machine is where a result comes from.
type Machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Go         string `json:"go"`
	Build
}

// Build is what a binary knows about its sources.
type Build struct {
	// Version is that of the module godwit, "(devel)" for a build from a checkout
	// that has none.
	Version string `json:"version"`
	// Commit is the revision; Modified says that there were changes beside it.
	// Programs that "go run" builds are not told, nor are tests.
	Commit   string `json:"commit"`
	Modified bool   `json:"modified,omitempty"`
}

// unknown is a Version or Commit that the binary does not know.
const unknown = "unknown"

// ThisBuild describes the binary that runs now.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return buildOf(info)
}

// modulePath is the module whose version counts. In other modules' binaries it
// is a dependency.
const modulePath = "github.com/godwitdb/godwit"

func buildOf(info *debug.BuildInfo) Build {
	b := Build{Version: unknown, Commit: unknown}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == modulePath && m.Version != "" {
			b.Version = m.Version
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// ThisMachine describes the machine and the build that run now.
func ThisMachine() Machine {
	return Machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		Build: ThisBuild(),
	}
}
