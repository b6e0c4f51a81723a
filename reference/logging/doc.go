// Package logging keeps a program going whatever happens to its log: nobody reads it, it is closed, or strangers
// make the program repeat itself.
//
// Use: [New] with the file to write to, [Log.Logger] for the logger, [Log.Close] at the end of the program.
//
// Files:
//
//	log.go      Log: the queue and the counter put together
//	queue.go    lines that wait to be written, bounded
//	repeats.go  lines that say the same again and again are counted
//	stderr_linux.go, stderr_other.go  where it is written, and what a panic leaves
package logging
