// Package dialogue is the suite's one language for scripted exchanges: that
// of the golden vectors of kind dialogue (spec/README.md). Golden dialogues are played as
// cases, a failed case is written as one, and replay plays that again.
//
//	case.go      a golden dialogue as cases
//	player.go    Player: the steps, one after the other
//	frames.go    steps on the tunnel: frames sent and expected
//	world.go     steps of the world: visitors, services, tunnels, time
//	check.go     Read and Check: what can be played
//	record.go    Record: a failed case as a dialogue
//	notation.go  octets as a dialogue writes them
//	replay.go    Replay: a dialogue against a subject, and what came of it
package dialogue
