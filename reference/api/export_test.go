package api

// Endpoints are the methods of each path.
func Endpoints() map[string][]string {
	h := &handler{requests: newRequests()}
	h.Logger = noLog
	all := map[string][]string{}
	for path, e := range h.endpoints() {
		for method := range e {
			all[path] = append(all[path], method)
		}
	}
	return all
}
