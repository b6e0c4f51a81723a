package recording

// Beginnings of exchanges.
const (
	opened  = "S request, C success, "
	hellos  = "C hello, S hello, "
	stream  = hellos + "S open, C opened, "
	greeted = "C offer, S answer, S proof, "
	binds   = "C offers, S offers, "
	proven  = greeted + "C proof, S admit, "
	minute  = "wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 14s, C alive, S alive, "
)

// Legal are exchanges in which nobody breaks a rule, by what they show.
var Legal = map[string]string{
	"an answer in time":                              "C alive, wait 5s, S alive",
	"Close against Data":                             opened + "S close × C data, C close, S request, C success",
	"Close against Data, the other way":              opened + "C close × S data, S close, S request",
	"Close against Close":                            opened + "S data, C data, S close × C close, S request, C failure",
	"Close against success":                          "S request, S close × C success, S close, C close, S request, C success",
	"the first Close comes late":                     "S request, C success, S close, S close, C close, S request",
	"Close against a failure":                        "S request, S close × C failure, S request, C success",
	"response after the connect timeout":             "S request, wait 10s, S close, C alive, S alive, wait 5s, C success, S close, C close, S request",
	"Close in place of a response":                   "S request, S close × C close, S request, C success",
	"Data before the request is known":               "S data 9 × C data 8, S close 8, C close 9, S close 8",
	"answer to a barrier crosses a request":          "S data 9, S request 9, C close 9, C success 9, S data 9",
	"extensions":                                     stream + "C window, S window, C grease, S grease",
	"early data, and FIN against FIN":                hellos + "S open, S data, C opened, S fin × C data, C fin × S window, S open 8",
	"both send as the windows open":                  stream + "S data, C window, S data, C data, S window, C data, S fin, C window, C fin",
	"a refusal against early data":                   hellos + "S open, S data × C reset, S fin, S open 8",
	"RESET against RESET, and what crosses them":     stream + "S reset × C reset, S open 8, C opened 8, C data 8 × S reset 8, C window 8, S open 9",
	"a connection that HELLO crossed":                "C hello, S request, S hello, S open 8, C success, C opened 8, S data, C data 8, S close, C close, S open 9",
	"a server that speaks Core":                      "C hello, S request, C success, C alive, S alive, S data, C close, S close",
	"PING both ways":                                 hellos + "C ping 1, S ping 1 × C ping 2, S pong 1, C pong 1, S pong 2",
	"drains":                                         stream + "C drain × S open 8, S drain, C data, C opened 8, S fin, C fin, S drain",
	"proofs, and what crosses the last of them":      greeted + "C proof, C alive, S admit, S alive, S open, C opened, S data",
	"ports and names":                                binds + "C bind, S bound, C bindany 8, S boundelse 8, C bindname 9, S boundless 9, C bind 10, S inuse 10",
	"a binding that is asked for again":              binds + "C bind, S bound, C bind 8, S unbind, S bound 8, C unbind 8, S unbind 8",
	"bindings that are given up":                     binds + "C unbind, S unbind, C bind 8, C unbind 8, S inuse 8, S unbind 8, C unbind × S unbind 8",
	"a client that is denied":                        greeted + "C proof, S denied",
	"a client that is denied for its HELLO":          "C offer, S denied",
	"a client whose key has been taken away":         proven + "S open, C opened, S denies",
	"a client with a key at a server of Core":        "C offer, S request",
	"private use":                                    "C private, S private",
	"Data that an answer to a KeepAlive overtook":    opened + "C close, C alive, S alive, S data, S close",
	"a Close that an answer to a KeepAlive overtook": "S request, C failure, C alive, S alive, S close",
	"many KeepAlives":                                "C alive, C alive, S alive, S alive",
	"close-wait, and a word in time":                 "S request, S close, " + minute + "C failure, S request, C success",
	"silence up to the limit":                        "C alive × S alive, wait 20s, C alive × S alive",
}
