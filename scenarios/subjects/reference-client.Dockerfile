# The reference client alone, from the static binary that `make build` leaves in bin/.
FROM scratch
ENTRYPOINT ["/adit-client"]
COPY adit-client /adit-client
