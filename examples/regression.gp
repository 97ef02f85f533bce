# Draws what examples/regression wrote into a folder: gnuplot -c examples/regression.gp runs/regression
# Writes fit.svg and fit.png beside the points.
run = ARG1
set datafile separator ","

do for [kind in "svg png"] {
  if (kind eq "svg") {
    set terminal svg size 860,480 font "sans-serif,14" background "white"
  } else {
    set terminal pngcairo size 1720,960 font "sans,26" linewidth 2
  }
  set output run."/fit.".kind
  set title "A 1-32-32-32-1 network with ELU, fitted to noisy points"
  set xlabel "x"
  set ylabel "y"
  set xrange [-3:3]
  set key top left Left reverse
  set grid linecolor rgb "#dddddd"
  set border linecolor rgb "#666666"
  plot run."/points.csv" using 1:2 every ::1 with points linecolor rgb "#56B4E9" pointtype 7 pointsize 0.5 \
       title "training points", \
       run."/curve.csv" using 1:2 every ::1 with lines linecolor rgb "#000000" linewidth 1.5 dashtype 2 \
       title "sin 2x + x/3, without the noise", \
       run."/curve.csv" using 1:3 every ::1 with lines linecolor rgb "#D55E00" linewidth 2.5 title "network"
}
