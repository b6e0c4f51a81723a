package sample

import "time"

// A Socket is what the kernel knows of a generator's end of a TCP connection.
type Socket struct {
	Stream        uint64        `json:"stream"`
	RTT           time.Duration `json:"rtt_ns"`        // smoothed, as the kernel measures it
	Variation     time.Duration `json:"rttvar_ns"`     // of it
	Window        int64         `json:"cwnd_segments"` // congestion window
	Retransmitted int64         `json:"retransmitted_segments"`
}
