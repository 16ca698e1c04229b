from benchmarks.accuracy.fits import main

main()
