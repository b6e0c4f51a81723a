# adit-load alone, from the static binary that `make build` leaves in bin/.
FROM scratch
ENTRYPOINT ["/adit-load"]
COPY adit-load /adit-load
