# The reference server alone, from the static binary that `make build` leaves in bin/.
FROM scratch
ENTRYPOINT ["/adit-server"]
COPY adit-server /adit-server
