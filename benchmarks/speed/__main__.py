from benchmarks.speed.epochs import main

main()
