from benchmarks.limits.measuring import main

main()
