// Command image is what the tests run in containers.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	scenario := os.Getenv("ADIT_SCENARIO")
	switch os.Args[1] {
	case "serve": // listens, counts its starts in the folder of its second argument, ends at SIGTERM
		f, err := os.OpenFile(os.Args[2]+"/starts", os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
		check(err)
		_, err = f.WriteString("x")
		check(err)
		info, err := f.Stat()
		check(err)
		fmt.Println(os.Getenv("ADIT_ROLE"), os.Getenv("ADIT_TUNNEL"), os.Getenv("ADIT_SERVER"), os.Getenv("ADIT_VISITOR"),
			os.Getenv("ADIT_TARGET"), os.Getenv("ADIT_API"), scenario, os.Getenv("GREETING"), "start", info.Size())
		l, err := net.Listen("tcp", os.Getenv("ADIT_TUNNEL"))
		check(err)
		defer l.Close()
		fmt.Println("Ready at", l.Addr())
		<-term
		fmt.Fprint(os.Stderr, "told to end")
	case "dial": // connects to the server
		c, err := net.Dial("tcp", os.Getenv("ADIT_SERVER"))
		check(err)
		defer c.Close()
		fmt.Println("ready")
		<-term
	case "stubborn":
		fmt.Println("ready")
		for range term {
			fmt.Println("no")
		}
	case "exit":
		fmt.Println("the disk is full")
		n, _ := strconv.Atoi(os.Args[2])
		os.Exit(n)
	case "picky": // knows one scenario
		if scenario != "known" {
			os.Exit(127)
		}
		fmt.Println("ready")
		<-term
	case "careless": // takes every scenario for its own
		if scenario == "known" {
			os.Exit(127)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(9)
	}
}
