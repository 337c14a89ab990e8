//go:build !race

package godwit

const raceBuild = false
