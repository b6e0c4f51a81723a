// Package deploy is what server and client are run with: units of systemd, a container image and what stands beside it, a
// Debian package, and examples of their configuration. It has tests of these files, and no code.
package deploy
