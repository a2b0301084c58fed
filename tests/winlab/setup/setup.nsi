; The installer's windows, and what Windows asks of one. What is done is done by the Python that it
; carries: tribler_udp_fix.cli.setup. Built by tests/winlab/setup/build.py.
;
;   tribler_udp_fix-1.0-setup.exe [/S] [/TRIBLER="C:\Program Files\Tribler"] [/LOG="C:\said.txt"]
;   uninstall.exe [/S] [/LOG="C:\said.txt"]
;
; Exit status: 0 done, 1 the user cancelled, 2 it could not be done, 3 there is no Tribler 8,
; 4 Tribler runs.

Unicode true
Target amd64-unicode ; the 32-bit one does nothing under Wine, and Tribler 8 is 64-bit anyway
SetCompressor /SOLID lzma
SetDateSave off ; the same sources are the same bytes
RequestExecutionLevel user
ManifestDPIAware true
AllowSkipFiles off
ShowInstDetails nevershow
ShowUninstDetails nevershow

!include MUI2.nsh
!include LogicLib.nsh

Name "Tribler UDP fix"
OutFile "${OUT}"
BrandingText "tribler_udp_fix ${VERSION}"
VIProductVersion 0.0.0.0
VIAddVersionKey ProductName "Tribler UDP fix"
VIAddVersionKey FileDescription "Starts the installed Tribler with repaired UDP"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey CompanyName "tribler_udp_fix contributors"
VIAddVersionKey LegalCopyright "MIT licence"

!define NOT_DONE 2
!define NO_TRIBLER 3
!define RUNNING 4

Var Tribler ; the folder in which it is installed
Var Status
Var Said ; by the Python, in one sentence

!define MUI_ICON "${NSISDIR}/Contrib/Graphics/Icons/modern-install.ico"
!define MUI_UNICON "${NSISDIR}/Contrib/Graphics/Icons/modern-uninstall.ico"
!define MUI_ABORTWARNING

!define MUI_WELCOMEPAGE_TITLE "Tribler that keeps hearing its peers"
!define MUI_WELCOMEPAGE_TEXT "On Windows, Tribler can go deaf: it runs, and no peer reaches it any more.$\r$\n$\r$\nThis makes a second shortcut, Tribler (UDP fix), which starts the same Tribler with its network repaired. Tribler itself is left as it is, with its downloads and settings.$\r$\n$\r$\nIt is for you alone and needs no administrator. Please close Tribler, also in the notification area beside the clock, and click Next."
!insertmacro MUI_PAGE_WELCOME

!define MUI_PAGE_HEADER_TEXT "Where is Tribler?"
!define MUI_PAGE_HEADER_SUBTEXT "The folder in which Tribler 8 is installed, with Tribler.exe in it."
!define MUI_DIRECTORYPAGE_TEXT_TOP "$Said"
!define MUI_DIRECTORYPAGE_TEXT_DESTINATION "Tribler's folder"
!define MUI_DIRECTORYPAGE_VARIABLE $Tribler
!define MUI_PAGE_CUSTOMFUNCTION_LEAVE LeaveFolder
SpaceTexts none
DirText "" "" "" "Which folder is Tribler in?"
!insertmacro MUI_PAGE_DIRECTORY

!insertmacro MUI_PAGE_INSTFILES

!define MUI_FINISHPAGE_TITLE "Done"
!define MUI_FINISHPAGE_TEXT_LARGE
!define MUI_FINISHPAGE_TEXT "From now on, start Tribler (UDP fix) from the Start menu.$\r$\n$\r$\nWindows' firewall may ask about it the first time: allow it, as you did for Tribler.$\r$\n$\r$\nUDP check for Tribler, in the Start menu too, shows whether it works."
!define MUI_FINISHPAGE_RUN
!define MUI_FINISHPAGE_RUN_TEXT "Start Tribler (UDP fix) now"
!define MUI_FINISHPAGE_RUN_FUNCTION StartTribler
!insertmacro MUI_PAGE_FINISH

!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

; Have the Python do something, by the words on the stack: $Status and $Said are what came of it.
!macro Python UN
Function ${UN}Python
    Pop $R0
    Pop $R1 ; the folder with Python in it
    Delete "$PLUGINSDIR\said.txt"
    StrCpy $R2 '"$R1\Python\pythonw.exe" -B -m tribler_udp_fix.cli.setup $R0 --said "$PLUGINSDIR\said.txt"'
    ClearErrors
    ExecWait $R2 $Status
    ${If} ${Errors}
        StrCpy $Status ${NOT_DONE}
    ${EndIf}
    StrCpy $Said ""
    ClearErrors
    FileOpen $R3 "$PLUGINSDIR\said.txt" r
    ${IfNot} ${Errors}
        FileReadUTF16LE $R3 $Said
        FileClose $R3
    ${EndIf}
    Push $Said
    Call ${UN}WithoutLineEnd
    Pop $Said
    ${If} $Said == ""
        StrCpy $Said "Something went wrong, and nothing tells what (exit status $Status)."
    ${EndIf}
FunctionEnd

Function ${UN}WithoutLineEnd
    Exch $0
    Push $1
    again:
    StrCpy $1 $0 1 -1
    ${If} $1 == "$\r"
    ${OrIf} $1 == "$\n"
        StrCpy $0 $0 -1
        Goto again
    ${EndIf}
    Pop $1
    Exch $0
FunctionEnd

Function ${UN}Options
    ; What follows the program's name is for the Python to take apart, as Windows does.
    StrCpy $R0 $CMDLINE
    System::Call 'kernel32::SetEnvironmentVariableW(w "UDP_FIX_SETUP", w R0)'
    ReadEnvStr $INSTDIR LOCALAPPDATA
    StrCpy $INSTDIR "$INSTDIR\tribler_udp_fix"
    InitPluginsDir
FunctionEnd
!macroend
!insertmacro Python ""
!insertmacro Python "un."

Function .onInit
    Call Options
    !include "${FILES}"
    SetOutPath $PLUGINSDIR
    IfSilent done
    Call Find
    StrCpy $Tribler $R4
    done:
FunctionEnd

Function Words ; on the stack, for what is to be done (on the stack too) with $Tribler
    Exch $R0
    ${If} $Tribler != ""
        ; "C:\" would be a quote after a backslash
        StrCpy $R1 $Tribler 1 -1
        ${If} $R1 == "\"
            StrCpy $R1 "$Tribler."
        ${Else}
            StrCpy $R1 $Tribler
        ${EndIf}
        StrCpy $R0 '$R0 --dir "$R1"'
    ${EndIf}
    Exch $R0
FunctionEnd

Function Find ; $Said, $Status, and the folder in $R4
    Push "find"
    Call Words
    Pop $R0
    Push $PLUGINSDIR
    Push $R0
    Call Python
    StrCpy $R4 ""
    ClearErrors
    FileOpen $R3 "$PLUGINSDIR\said.txt" r
    ${IfNot} ${Errors}
        FileReadUTF16LE $R3 $R4
        FileReadUTF16LE $R3 $R4
        FileClose $R3
    ${EndIf}
    Push $R4
    Call WithoutLineEnd
    Pop $R4
FunctionEnd

Function LeaveFolder
    Call Find
    ${If} $Status != 0
        MessageBox MB_OK|MB_ICONEXCLAMATION "$Said"
        Abort
    ${EndIf}
FunctionEnd

Section
    WriteUninstaller "$PLUGINSDIR\uninstall.exe"
    again:
    Push "install"
    Call Words
    Pop $R0
    Push $PLUGINSDIR
    Push '$R0 --version "${VERSION}" --uninstaller "$PLUGINSDIR\uninstall.exe"'
    Call Python
    ${If} $Status == ${RUNNING}
        MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$Said" /SD IDCANCEL IDRETRY again
    ${ElseIf} $Status != 0
        MessageBox MB_OK|MB_ICONSTOP "$Said" /SD IDOK
    ${EndIf}
    ${If} $Status != 0
        SetErrorLevel $Status
        Abort "$Said"
    ${EndIf}
SectionEnd

Function StartTribler
    Push $INSTDIR
    Push "start"
    Call Python
    ${If} $Status != 0
        MessageBox MB_OK|MB_ICONSTOP "$Said"
    ${EndIf}
FunctionEnd

Function un.onInit
    Call un.Options
FunctionEnd

Section Uninstall
    again:
    Push $INSTDIR
    Push "uninstall"
    Call un.Python
    ${If} $Status == ${RUNNING}
        MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$Said" /SD IDCANCEL IDRETRY again
        SetErrorLevel ${RUNNING}
        Abort "$Said"
    ${EndIf}
    ${If} $Status != 0
        ; Its Python does not run, or could not remove something: what it would have done.
        ReadEnvStr $0 APPDATA
        Delete "$0\Microsoft\Windows\Start Menu\Programs\Tribler (UDP fix).lnk"
        Delete "$0\Microsoft\Windows\Start Menu\Programs\UDP check for Tribler.lnk"
        RMDir /r "$INSTDIR\Tribler"
        RMDir /r "$INSTDIR\running"
    ${EndIf}
    RMDir /r "$INSTDIR\Python"
    ${If} ${FileExists} "$INSTDIR\Python\*"
    ${OrIf} ${FileExists} "$INSTDIR\Tribler\*"
        StrCpy $Said "Something in $INSTDIR is in use: close Tribler and UDP check, and try again."
        MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$Said" /SD IDCANCEL IDRETRY again
        SetErrorLevel ${NOT_DONE}
        Abort "$Said"
    ${EndIf}
    DeleteRegKey HKCU "Software\Microsoft\Windows\CurrentVersion\Uninstall\tribler_udp_fix"
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
SectionEnd
