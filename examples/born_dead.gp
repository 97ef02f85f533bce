# Draws what examples/born_dead wrote into a folder: gnuplot -c examples/born_dead.gp runs/born_dead
# Writes born_dead.svg and .png, and abs_x.svg and .png, each if its numbers are there.
run = ARG1
table = run."/born_dead.csv"
abs_x = run."/abs_x.csv"
have(file) = int(system("test -s '".file."' && echo 1 || echo 0"))
set datafile separator ","
array colors[5] = ["", "#D55E00", "#CC79A7", "#009E73", "#0072B2"]

# The rows of abs_x.csv, He's and RAI's, as arrays of percentages and of half-widths of their 95 % intervals.
array he[4]
array rai[4]
array he_error[4]
array rai_error[4]
half_width(percent) = 1.96*sqrt(percent*(100 - percent)/trainings)
if (have(abs_x)) {
  stats abs_x using 2 every ::1 nooutput
  trainings = STATS_max
  do for [i=1:4] {
    stats abs_x using i+2 every ::1::1 nooutput
    he[i] = 100*STATS_max
    he_error[i] = half_width(he[i])
    stats abs_x using i+2 every ::2::2 nooutput
    rai[i] = 100*STATS_max
    rai_error[i] = half_width(rai[i])
  }
}
if (have(table)) {
  stats table using 3 every ::1 nooutput
  networks = STATS_max
}

do for [kind in "svg png"] {
  if (kind eq "svg") {
    set terminal svg size 860,520 font "sans-serif,14" background "white"
  } else {
    set terminal pngcairo size 1720,1040 font "sans,26" linewidth 2
  }
  if (have(table)) {
    reset
    set datafile separator ","
    set border 3 linecolor rgb "#666666"
    set output run."/born_dead.".kind
    set title sprintf("Born dead: ReLU networks before the first step (%.0f of each width)", networks)
    set xlabel "depth (weight layers)"
    set ylabel "networks that are constant functions (%)"
    set xrange [2:20]
    set yrange [0:100]
    set xtics 2 nomirror textcolor rgb "#000000"
    set ytics 20 nomirror textcolor rgb "#000000"
    set key outside right center Left reverse
    set grid linetype 1 linecolor rgb "#dddddd" linewidth 0.5
    plot for [w=5:2:-1] table using ($1 == w ? $2 : NaN):($5*100):($6*100) every ::1 with filledcurves \
           fillcolor rgb colors[w] fillstyle transparent solid 0.16 noborder notitle, \
         for [w=2:5] table using ($1 == w ? $2 : NaN):($4*100) every ::1 with linespoints \
           linecolor rgb colors[w] linewidth 2 pointtype 7 pointsize 0.6 title sprintf("width %d", w), \
         keyentry with filledcurves fillcolor rgb "#888888" fillstyle transparent solid 0.3 noborder \
           title "bounds by Lu et al."
    unset output
  }
  if (have(abs_x)) {
    reset
    set border 3 linecolor rgb "#666666"
    set output run."/abs_x.".kind
    set title sprintf("|x| learnt by ReLU networks, 10 weight layers of width 2 (%.0f of each initialisation)", trainings)
    set ylabel "share of networks (%), with 95 % intervals"
    set xrange [0.4:4.6]
    set yrange [0:105]
    set xtics ("constant\nbefore training" 1, "constant\nafter training" 2, "fitted\n(MSE < 0.01)" 3, \
               "half wrong\n(MSE > 0.05)" 4) scale 0 textcolor rgb "#000000"
    set ytics 20 nomirror textcolor rgb "#000000"
    set key top right Left reverse
    set grid ytics linetype 1 linecolor rgb "#dddddd" linewidth 0.5
    set bmargin 4
    set boxwidth 0.36
    set style fill solid 1 noborder
    set errorbars linecolor rgb "#000000" linewidth 0.7
    plot he using ($1 - 0.19):2:(he_error[$1]) with boxerrorbars linecolor rgb colors[2] title "He normal", \
         rai using ($1 + 0.19):2:(rai_error[$1]) with boxerrorbars linecolor rgb colors[5] title "RAI", \
         he using ($1 - 0.19):($2 + he_error[$1] + 2.5):(sprintf("%.1f", $2)) with labels notitle, \
         rai using ($1 + 0.19):($2 + rai_error[$1] + 2.5):(sprintf("%.1f", $2)) with labels notitle
    unset output
  }
}
