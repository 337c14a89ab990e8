package bench

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestBuild(t *testing.T) {
	revision := []debug.BuildSetting{{Key: "-race", Value: "true"}, {Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	for _, test := range []struct {
		name string
		info debug.BuildInfo
		want Build
	}{
		{"nothing known", debug.BuildInfo{}, Build{Version: "unknown", Commit: "unknown"}},
		{"go run", debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "(devel)"}}, Build{Version: "(devel)", Commit: "unknown"}},
		{"go build", debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "v1.2.3"}, Settings: revision},
			Build{Version: "v1.2.3", Commit: "abc", Modified: true}},
		{"another module's", debug.BuildInfo{
			Main: debug.Module{Path: "example.com/other", Version: "v9.9.9"},
			Deps: []*debug.Module{{Path: modulePath + "/sub", Version: "v8.8.8"}, {Path: modulePath, Version: "v1.2.3"}},
		}, Build{Version: "v1.2.3", Commit: "unknown"}},
	} {
		if got := buildOf(&test.info); got != test.want {
			t.Errorf("%s: %+v, not %+v", test.name, got, test.want)
		}
	}
}

// A result says plainly what it does not know of its build.
func TestResultNamesItsBuild(t *testing.T) {
	text, err := json.Marshal(Result{Machine: Machine{Build: buildOf(new(debug.BuildInfo))}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"version":"unknown","commit":"unknown"`) {
		t.Errorf("result %s", text)
	}
	if m := ThisMachine(); m.Version == "" || m.Commit == "" {
		t.Errorf("this machine %+v", m)
	}
}
