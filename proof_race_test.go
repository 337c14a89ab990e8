//go:build race

package godwit

// raceBuild: everything takes several times as long.
const raceBuild = true
