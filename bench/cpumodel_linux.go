package bench

import (
	"os"
	"strings"
)

// cpuModel returns the processor's name, "unknown" if the kernel gives none.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		switch key = strings.TrimSpace(key); {
		case !ok:
		case key == "model name" || key == "Model" || key == "cpu model":
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
