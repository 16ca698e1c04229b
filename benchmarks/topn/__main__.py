from benchmarks.topn.protocol import main

main()
