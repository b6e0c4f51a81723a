//go:build race

package main

// raceEnabled says that these tests, and the faulty relay, which is one of them, run under it.
const raceEnabled = true
